"""Ratio columns as NVIDIA printed them in the model card of SSD v1.1 for PyTorch, releases 22.10 and 19.08; per cent."""

# (gpus, batch size per GPU): speed-up, weak scaling of the reference precision, weak scaling of amp; None is <N/A>.
Ratios = dict[tuple[int, int], tuple[float | None, ...]]

TRAIN_22_10_A100: Ratios = {
    (1, 64): (181, 100, 100), (4, 64): (180, 393, 389), (8, 64): (185, 779, 792),
    (1, 128): (192, 100, 100), (4, 128): (193, 395, 398), (8, 128): (193, 786, 791),
}  # fmt: skip
TRAIN_22_10_V100: Ratios = {
    (1, 32): (276, 100, 100), (4, 32): (265, 391, 375), (8, 32): (256, 783, 725),
    (1, 64): (None, None, 100), (4, 64): (None, None, 383), (8, 64): (None, None, 780),
}  # fmt: skip
INFER_22_10_A100: Ratios = {
    (1, 1): (89, 100, 100), (1, 2): (84, 194, 183), (1, 4): (94, 303, 318), (1, 8): (124, 376, 520),
    (1, 16): (150, 371, 621), (1, 32): (136, 446, 680), (1, 64): (132, 502, 741),
}  # fmt: skip
INFER_22_10_V100: Ratios = {
    (1, 1): (90, 100, 100), (1, 2): (111, 159, 195), (1, 4): (147, 221, 360), (1, 8): (184, 260, 528),
    (1, 16): (185, 313, 639), (1, 32): (194, 334, 715),
}  # fmt: skip
TIME_22_10_A100: Ratios = {
    (1, 64): (100,), (4, 64): (99,), (8, 64): (99,), (1, 128): (100,), (4, 128): (99,), (8, 128): (99,),
    (1, 256): (99,), (4, 256): (99,), (8, 256): (100,),
}  # fmt: skip
TIME_22_10_V100: Ratios = {
    (1, 32): (270,), (4, 32): (260,), (8, 32): (256,), (1, 64): (None,), (4, 64): (None,), (8, 64): (None,),
}  # fmt: skip
TRAIN_19_08_V100: Ratios = {
    (1, 32): (161.07, 100, 100), (4, 32): (155.74, 398.04, 384.88), (8, 32): (155.40, 793.27, 765.33),
    (1, 64): (173.73, None, 100), (4, 64): (171.18, None, 392.20), (8, 64): (166.88, None, 761.99),
}  # fmt: skip
INFER_19_08_V100: Ratios = {
    (1, 2): (125.24, 100, 100), (1, 4): (160.66, 136.48, 175.08), (1, 8): (190.68, 152.57, 232.29),
    (1, 16): (177.39, 186.60, 264.31), (1, 32): (182.06, 201.23, 292.53),
}  # fmt: skip
TIME_19_08_V100: Ratios = {
    (1, 32): (195.62,), (4, 32): (195.20,), (8, 32): (184.01,), (1, 64): (215.00,), (4, 64): (215.10,),
    (8, 64): (215.85,),
}  # fmt: skip

PRINTED: dict[tuple[str, str, str], Ratios] = {
    ("22.10", "A100-80GB", "Training performance"): TRAIN_22_10_A100,
    ("22.10", "V100-16GB", "Training performance"): TRAIN_22_10_V100,
    ("22.10", "A100-80GB", "Inference performance"): INFER_22_10_A100,
    ("22.10", "V100-16GB", "Inference performance"): INFER_22_10_V100,
    ("22.10", "A100-80GB", "Training accuracy"): TIME_22_10_A100,
    ("22.10", "V100-16GB", "Training accuracy"): TIME_22_10_V100,
    ("19.08", "V100-16GB", "Training performance"): TRAIN_19_08_V100,
    ("19.08", "V100-16GB", "Inference performance"): INFER_19_08_V100,
    ("19.08", "V100-16GB", "Training accuracy"): TIME_19_08_V100,
}
