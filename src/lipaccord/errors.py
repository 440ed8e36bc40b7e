"""The exception tree.

Errors stop the examination; an abstention (no face, no speech, too short) is a result and never an
exception. Every message names the file, the trouble and the remedy in plain words.

    LipAccordError
        MediaError            the media can't be examined at all
            UnreadableMedia   not a media file, not a regular file, no permission, nothing decodes
            NoVideo           there is no moving picture in it
            NoAudio           there is no sound in it
        BackendMissing        an optional backend, or the weights it needs, is not installed
        BundleError           a bundle (predictor, calibration) is damaged, altered or of another version
        SettingsError         a setting is unknown or out of range
        TracksError           stored tracks are damaged or belong to another clip
        TrainingError         a training folder holds too little to train on
        ManifestError         a labelled manifest can't be read or holds no usable row
        SimulationError       a clip does not allow the manipulation that was asked for
        EvaluationError       an evaluation can't go on, or nothing in it could be examined
        CalibrationError      labelled clips are too few, or lack a class, to calibrate a finding
        ArchiveError          the store of an archive, or a source of clips, can't be used
        VerificationError     a report can't be read, or does not say how to repeat the analysis
"""


class LipAccordError(Exception):
    """Base of every error that lipaccord raises on purpose."""


class MediaError(LipAccordError):
    """The media can't be examined at all."""


class UnreadableMedia(MediaError):
    """The file is not media, not a regular file, not permitted, or nothing in it decodes."""


class NoVideo(MediaError):
    """The file holds no moving picture."""


class NoAudio(MediaError):
    """The file holds no sound."""


class BackendMissing(LipAccordError):
    """An optional backend, or the weights it needs, is not there."""


class BundleError(LipAccordError):
    """A bundle is damaged, altered, or of a version that this release does not read."""


class SettingsError(LipAccordError):
    """A setting is unknown or out of its range."""


class TracksError(LipAccordError):
    """Stored face tracks are damaged or were made from another clip."""


class TrainingError(LipAccordError):
    """A folder of clips holds too little usable material to train on."""


class ManifestError(LipAccordError):
    """A labelled manifest can't be read, lacks a column, or holds no usable row."""


class SimulationError(LipAccordError):
    """A clip is too large to be manipulated, or shows no face to manipulate."""


class EvaluationError(LipAccordError):
    """An evaluation can't go on, or none of its clips could be examined."""


class CalibrationError(LipAccordError):
    """Labelled clips are too few, or lack a class, to calibrate a finding."""


class ArchiveError(LipAccordError):
    """The store of an archive can't be used, or a source of clips can't be listed."""


class VerificationError(LipAccordError):
    """A report can't be read, is no report of lipaccord, or does not say how to repeat the analysis."""
