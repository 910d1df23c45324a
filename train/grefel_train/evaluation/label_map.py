"""From the classes of a dataset to those of a model: by name, or as the user says."""

from collections.abc import Sequence

import numpy as np

from grefel_train.data.class_names import parse_pairs, same_classes

LEFT_OUT = -1


def label_map(data_names: Sequence[str], model_names: Sequence[str], pairs: Sequence[str] = ()) -> np.ndarray:
    """
    Args:
        pairs: "data_name=model_name"; several may name the same class of the model, and "data_name=" leaves a class of
            the data out. Names that no pair mentions must be the same in both, as `same_classes` sees it.

    Returns:
        (len(data_names),) class ids of the model, -1 for what is left out.

    Raises:
        ValueError: a pair that cannot be read or names an unknown class, or a class of the data without a counterpart.
    """
    model_ids = {name.lower(): index for index, name in enumerate(model_names)}
    given = {}
    for source, target in parse_pairs(pairs, data_names).items():
        if target and target.lower() not in model_ids:
            raise ValueError(f"--label_map {source}={target}: the model's classes are {', '.join(model_names)}.")
        given[source] = model_ids[target.lower()] if target else LEFT_OUT
    rest = [name for name in data_names if name not in given]
    given |= dict(zip(rest, same_classes(rest, model_names)))
    found = [given[name] for name in data_names]
    unknown = [name for name, target in zip(data_names, found) if target is None]
    if unknown:
        raise ValueError(
            f"the data has classes that the model does not: {', '.join(unknown)}. Map each to one of "
            f"{', '.join(model_names)}, or leave it out, as in --label_map "
            f"{' '.join(f'{name}={model_names[0]}' for name in unknown[:1])} {unknown[-1]}="
        )
    if all(target == LEFT_OUT for target in found):
        raise ValueError("--label_map leaves all classes of the data out.")
    return np.array(found)


def describe(mapping: np.ndarray, data_names: Sequence[str], model_names: Sequence[str]) -> dict[str, str | None]:
    """The mapping by names, None for what is left out."""
    return {
        name: None if target == LEFT_OUT else model_names[target] for name, target in zip(data_names, mapping.tolist())
    }


def map_distributions(votes: np.ndarray, mapping: np.ndarray, num_labels: int) -> np.ndarray:
    """Votes (M, N) of the data as fractions (M, num_labels); a row of zeros where no vote is left."""
    mapped = np.zeros((len(votes), num_labels), np.float32)
    for column, target in enumerate(mapping):
        if target != LEFT_OUT:
            mapped[:, target] += votes[:, column]
    total = mapped.sum(1, keepdims=True)
    return np.divide(mapped, total, out=mapped, where=total > 0)
