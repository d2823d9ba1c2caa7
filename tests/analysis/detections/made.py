"""Made-up images and detections: objects of a few categories, found more or less well."""

import json

import numpy as np

from ssdbench.ssd.evaluate import load_annotations

IMAGES, CATEGORIES, SIDE = 24, 4, 200


def truth_of(folder, *, seed, draws=None):
    """Annotations of `IMAGES` images, some with a crowd, some with nothing; `draws` says how often each is there."""
    random = np.random.default_rng(seed)
    per_image = []
    for image in range(IMAGES):
        boxes = []
        for _ in range(0 if image % 6 == 5 else int(random.integers(1, 5))):
            left, top, width, height = (*random.uniform(0, 120, 2), *random.uniform(20, 80, 2))
            boxes.append(
                ([left, top, width, height], int(random.integers(1, CATEGORIES + 1)), int(random.random() < 0.1))
            )
        per_image.append(boxes)
    places = np.repeat(np.arange(IMAGES), draws if draws is not None else 1)
    annotations = [
        {"image_id": at + 1, "category_id": label, "bbox": bbox, "area": bbox[2] * bbox[3], "iscrowd": crowd}
        for at, image in enumerate(places)
        for bbox, label, crowd in per_image[image]
    ]
    content = {
        "images": [
            {"id": at + 1, "width": SIDE, "height": SIDE, "file_name": f"{at}.jpg"} for at in range(len(places))
        ],
        "categories": [{"id": label, "name": f"thing {label}"} for label in range(1, CATEGORIES + 1)],
        "annotations": [{"id": number, **annotation} for number, annotation in enumerate(annotations, start=1)],
    }
    path = folder / "instances.json"
    path.write_text(json.dumps(content))
    return load_annotations(path)


def detections_of(truth, *, seed):
    """Rows of detections: objects found a little beside where they are, and some that are not there."""
    random = np.random.default_rng(seed)
    rows = []
    for annotation in truth.dataset["annotations"]:
        if random.random() < 0.85:
            box = np.array(annotation["bbox"]) + random.normal(0, 3, 4)
            rows.append([annotation["image_id"], *box, random.beta(4, 2), annotation["category_id"]])
    for _ in range(30):
        place = (*random.uniform(0, 120, 2), *random.uniform(20, 60, 2))
        rows.append([random.integers(0, IMAGES), *place, random.beta(2, 4), random.integers(1, CATEGORIES + 1)])
    return np.array(sorted(rows, key=lambda row: row[0]), dtype=np.float64)
