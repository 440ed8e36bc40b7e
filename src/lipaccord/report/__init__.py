"""Writers of an `lipaccord.records.Analysis`: one file a format, none of which knows another."""
