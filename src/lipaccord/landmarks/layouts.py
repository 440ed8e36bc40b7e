"""Which landmark is which: the index tables of the two layouts.

Sources: the canonical face mesh of MediaPipe (468 points and 5 for each iris) and the iBUG 300-W mark-up
(68 points; Sagonas et al., ICCV Workshops 2013). Right and left are the person's own.
"""

from __future__ import annotations

from lipaccord.records import LandmarkLayout

_OUTER_UPPER = (61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291)
_OUTER_LOWER = (375, 321, 405, 314, 17, 84, 181, 91, 146)
_INNER_UPPER = (78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308)
_INNER_LOWER = (324, 318, 402, 317, 14, 87, 178, 88, 95)

# The 40 native lip points: outer ring, then inner ring, both clockwise in the picture from the right corner.
NATIVE_LIPS = _OUTER_UPPER + _OUTER_LOWER + _INNER_UPPER + _INNER_LOWER

# iBUG points 48-67 in terms of the mesh.
IBUG_LIPS = (61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181, 78, 82, 13, 312, 308, 317, 14, 87)

MEDIAPIPE_478 = LandmarkLayout(
    name="mediapipe-478",
    count=478,
    lips=NATIVE_LIPS,
    native_lips=tuple(range(len(NATIVE_LIPS))),
    rigid=(33, 133, 362, 263, 168, 6, 197, 195, 8, 9, 151, 10, 127, 356, 162, 389, 21, 251, 54, 284),
    right_eye=(33, 133),
    left_eye=(263, 362),
    mouth_corners=(61, 291),
    inner_lip_pairs=((81, 178), (82, 87), (13, 14), (312, 317), (311, 402)),
    rings={
        "outer_lips": _OUTER_UPPER + _OUTER_LOWER,
        "inner_lips": _INNER_UPPER + _INNER_LOWER,
        "right_eye": (33, 246, 161, 160, 159, 158, 157, 173, 133, 155, 154, 153, 145, 144, 163, 7),
        "left_eye": (362, 398, 384, 385, 386, 387, 388, 466, 263, 249, 390, 373, 374, 380, 381, 382),
        "right_brow": (70, 63, 105, 66, 107, 55, 65, 52, 53, 46),
        "left_brow": (336, 296, 334, 293, 300, 276, 283, 282, 295, 285),
        "nose": (168, 351, 399, 420, 279, 294, 326, 2, 97, 64, 49, 198, 174, 122),
        "right_cheek": (116, 117, 118, 119, 100, 36, 205, 187, 147, 123),
        "left_cheek": (348, 347, 346, 345, 352, 376, 411, 425, 266, 329),
        "chin": (182, 83, 18, 313, 406, 418, 262, 369, 396, 175, 171, 140, 32, 194),
        "forehead": (103, 67, 109, 10, 338, 297, 332, 293, 334, 296, 336, 9, 107, 66, 105, 63),
        "face": (
            *(10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377),
            *(152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109),
        ),
    },
)

IBUG_68 = LandmarkLayout(
    name="ibug-68",
    count=68,
    lips=tuple(range(48, 68)),
    native_lips=tuple(NATIVE_LIPS.index(point) for point in IBUG_LIPS),
    rigid=(27, 28, 29, 30, 36, 39, 42, 45),
    right_eye=(36, 39),
    left_eye=(45, 42),
    mouth_corners=(48, 54),
    inner_lip_pairs=((61, 67), (62, 66), (63, 65)),
    rings={
        "outer_lips": tuple(range(48, 60)),
        "inner_lips": tuple(range(60, 68)),
        "right_eye": tuple(range(36, 42)),
        "left_eye": tuple(range(42, 48)),
        "right_brow": (17, 18, 19, 20, 21),
        "left_brow": (22, 23, 24, 25, 26),
        "nose": (27, 35, 34, 33, 32, 31),
        "right_cheek": (1, 41, 31, 48, 4, 3, 2),
        "left_cheek": (46, 15, 14, 13, 12, 54, 35),
        "chin": (58, 57, 56, 10, 9, 8, 7, 6),
    },
)

LAYOUTS = {layout.name: layout for layout in (MEDIAPIPE_478, IBUG_68)}
