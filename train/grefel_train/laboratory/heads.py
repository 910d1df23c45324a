"""What is trained on stored features: the model's own heads, plain ones, and those of the baselines."""

from collections.abc import Iterator

import torch
from torch import nn

from grefel_hf import GReFELConfig, GReFELForImageClassification
from grefel_hf.model.losses import as_distribution, classification_loss
from grefel_hf.model.modeling_grefel import GReFELModelOutput, GReFELPrimaryHead
from grefel_train.baselines.eac import CONSISTENCY_WEIGHT, EAC, consistency_loss, erased
from grefel_train.baselines.scn import FIRST_RELABELLING, SCN, rank_loss, relabelled, weighted_loss
from grefel_train.data.labels import target_distributions
from grefel_train.laboratory.features import Features
from grefel_train.run.anchors import place_anchors, replace_dead_anchors

PLACED = 0.1  # of all steps, after which k-means starts the anchors
REPLACED = (0.3, 0.5)  # after which dead anchors are placed anew


class Adapter(nn.Module):
    """
    Stored tokens (B, 1 + T, C) in the place of an encoder: as they are where C is the heads' width D, through a linear
    layer with layer norm otherwise, whose first token is the embedding then.
    """

    def __init__(self, token_size: int, config: GReFELConfig):
        super().__init__()
        self.fits = token_size == config.hidden_size
        width = config.hidden_size
        self.layers = nn.Sequential(
            nn.LayerNorm(token_size), nn.Linear(token_size, width), nn.GELU(), nn.LayerNorm(width)
        )

    def forward(self, tokens: torch.Tensor, embedding: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Tokens (B, 1 + T, D) and embedding (B, D)."""
        if self.fits:
            return tokens, embedding
        tokens = self.layers(tokens)
        return tokens, tokens[:, 0]

    def embedding(self, batch: Features) -> torch.Tensor:
        """(B, D), without the time for the other tokens."""
        return self(batch.tokens[:, :1], batch.embedding)[1]


class Heads(nn.Module):
    """
    One arm: `loss` to train by, `answer` to measure.

    Args:
        token_size: C of the stored tokens.
        config: of the model whose heads these are.
    """

    def __init__(self, token_size: int, config: GReFELConfig):
        super().__init__()
        self.adapter = Adapter(token_size, config)
        self.num_labels = config.num_labels

    def loss(self, batch: Features, progress: float) -> torch.Tensor:
        """Of a batch with float32 tensors; `progress` is the share of the steps that are done."""
        return classification_loss(self.distribution(batch), as_distribution(batch.labels, self.num_labels))

    def distribution(self, batch: Features) -> torch.Tensor:
        """(B, N)."""
        raise NotImplementedError

    def between_steps(self, done: int, total: int, train: Features):
        """Called after each step with all training features."""


class PrimaryOnly(Heads):
    """
    The primary head alone, "without reliability balancing".

    Args:
        smoothing: label smoothing.
        prior: (N,) shares of the classes for logit adjustment (Menon et al., ICLR 2021, Eq. 10, tau 1), or None.
        count: heads, whose distributions are averaged; each is taught by itself, too.
    """

    def __init__(self, token_size, config, smoothing: float = 0.0, prior: torch.Tensor | None = None, count: int = 1):
        super().__init__(token_size, config)
        self.heads = nn.ModuleList(GReFELPrimaryHead(config) for _ in range(count))
        self.smoothing = smoothing
        self.prior = prior

    def logits(self, batch: Features) -> list[torch.Tensor]:
        embedding = self.adapter.embedding(batch)
        return [head(embedding) for head in self.heads]

    def loss(self, batch: Features, progress: float) -> torch.Tensor:
        logits = self.logits(batch)
        if self.prior is not None:
            logits = [row + self.prior.log() for row in logits]
        losses = [nn.functional.cross_entropy(row, batch.labels, label_smoothing=self.smoothing) for row in logits]
        if len(logits) == 1:
            return losses[0]
        mean = torch.stack([row.softmax(-1) for row in logits]).mean(0)
        return classification_loss(mean, as_distribution(batch.labels, self.num_labels)) + 0.5 * sum(losses)

    def distribution(self, batch: Features) -> torch.Tensor:
        return torch.stack([row.softmax(-1) for row in self.logits(batch)]).mean(0)


class Balanced(Heads):
    """
    Primary head, anchors and attentive correction, by the model's own code and the entries of its config.

    Args:
        kmeans: start the anchors by k-means after the first steps, and place dead ones anew.
        smoothing: label smoothing.
    """

    def __init__(self, token_size: int, config: GReFELConfig, kmeans: bool = False, smoothing: float = 0.0):
        super().__init__(token_size, config)
        self.kmeans = kmeans
        self.smoothing = smoothing
        self.model = GReFELForImageClassification(config)
        self.model.grefel = nn.Identity()  # its encoder, which the stored features stand for

    def output(self, batch: Features):
        """Of the model, and squared distances to its anchors."""
        tokens, embedding = self.adapter(batch.tokens, batch.embedding)
        return self.model._balance(GReFELModelOutput(last_hidden_state=tokens, pooler_output=embedding))

    def loss(self, batch: Features, progress: float) -> torch.Tensor:
        output, distances = self.output(batch)
        target = target_distributions(batch.labels, self.num_labels, self.smoothing)
        self.model._add_losses(output, distances, target)
        return output.loss

    def distribution(self, batch: Features) -> torch.Tensor:
        return self.output(batch)[0].logits.exp()

    @torch.no_grad()
    def between_steps(self, done: int, total: int, train: Features):
        place, again = done == round(PLACED * total), done in [round(share * total) for share in REPLACED]
        if self.kmeans and (place or again):
            parts = [self.adapter.embedding(part) for part in in_parts(train)]
            change = place_anchors if place else replace_dead_anchors
            change(self.model.anchors, torch.cat(parts), train.labels)


class SCNHeads(Heads):
    """The baseline SCN; labels that it exchanges stay exchanged within the batch only."""

    def __init__(self, token_size: int, config: GReFELConfig):
        super().__init__(token_size, config)
        self.scn = SCN(config.hidden_size, config.num_labels)

    def loss(self, batch: Features, progress: float) -> torch.Tensor:
        logits, weights = self.scn(self.adapter.embedding(batch))
        labels = relabelled(logits, weights, batch.labels) if progress >= FIRST_RELABELLING else batch.labels
        return weighted_loss(logits, weights, labels) + rank_loss(weights)

    def distribution(self, batch: Features) -> torch.Tensor:
        return self.scn(self.adapter.embedding(batch))[0].softmax(-1)


class EACHeads(Heads):
    """The baseline EAC on the cells of the tokens."""

    def __init__(self, token_size: int, config: GReFELConfig):
        super().__init__(token_size, config)
        self.eac = EAC(config.hidden_size, config.num_labels)
        self.side = config.fusion_grids[-1]

    def loss(self, batch: Features, progress: float) -> torch.Tensor:
        results = []
        for tokens in (batch.tokens, batch.mirrored):
            tokens = torch.cat([tokens[:, :1], erased(tokens[:, 1:], self.side)], dim=1)
            results.append(self.eac(self.adapter(tokens, batch.embedding)[0][:, 1:]))
        (logits, maps), (_, mirrored) = results
        consistency = consistency_loss(maps, mirrored, self.side)
        return nn.functional.cross_entropy(logits, batch.labels) + CONSISTENCY_WEIGHT * consistency

    def distribution(self, batch: Features) -> torch.Tensor:
        return self.eac(self.adapter(batch.tokens, batch.embedding)[0][:, 1:])[0].softmax(-1)


def in_parts(features: Features, size: int = 512) -> Iterator[Features]:
    """Batches in float32, in order."""
    for rows in torch.arange(len(features.labels)).split(size):
        yield features.select(rows).float()
