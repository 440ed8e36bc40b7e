"""Find the recording from which a clip was made: signatures of clips, and the alignment of two of them.

A lip-sync fake reuses a real recording: the same head, eyes, hands and background with another mouth. A signature holds
what the lower face does not touch, and the sound; the alignment lays two signatures side by side in time.
"""
