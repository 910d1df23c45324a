"""Names for people of the published sets that train/adapters reads, by --dataset_format."""

DATASETS = {
    "ferplus": "FER+",
    "rafdb": "RAF-DB",
    "affectnet": "AffectNet",
    "affwild2": "Aff-Wild2",
    "fergdb": "FERG-DB",
    "jaffe": "JAFFE",
}
