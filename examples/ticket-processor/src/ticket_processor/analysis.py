"""What a ticket is about: nearest of a few described classes in embedding space, and its most telling sentence."""

import re
from dataclasses import dataclass

import numpy as np

from ticket_processor.embedding import Embedder

__all__ = ["Analyst", "Enrichment"]

INTENTS = {
    "billing": "a question about an invoice, a charge, a payment or a refund",
    "bug": "the software is broken, crashes, fails or shows an error",
    "access": "cannot log in, password reset, account locked, permissions",
    "feature": "a request for a new feature or an improvement",
    "cancellation": "wants to cancel the subscription or close the account",
    "praise": "thanks and compliments for a good experience",
}
URGENCIES = {
    "critical": "production is down, we are losing money, this is an emergency, fix it immediately",
    "high": "this blocks my work, please help today",
    "normal": "I would like this to be looked at when somebody has time",
    "low": "no hurry at all, just a small thought for some day",
}
SENTIMENTS = {
    "negative": "I am angry, frustrated and disappointed with this terrible service",
    "neutral": "a factual question without any emotion",
    "positive": "I am happy and grateful, this is wonderful",
}


@dataclass(frozen=True)
class Enrichment:
    """What the processor adds to a ticket."""

    intent: str
    urgency: str
    sentiment: str
    summary: str
    embedding: list[float]


class Analyst:
    """Classifies tickets by the cosine of their embedding with that of each class's description."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self._classes = {
            name: (list(described), embedder.embed(list(described.values())))
            for name, described in (("intent", INTENTS), ("urgency", URGENCIES), ("sentiment", SENTIMENTS))
        }

    def analyse(self, text: str) -> Enrichment:
        """Return the enrichment of one ticket's text."""
        sentences = [part.strip() for part in re.split(r"(?<=[.!?])\s+", text) if part.strip()] or [text]
        vectors = self._embedder.embed([text, *sentences])
        whole, parts = vectors[0], vectors[1:]
        chosen = {
            name: labels[int(np.argmax(descriptions @ whole))] for name, (labels, descriptions) in self._classes.items()
        }
        return Enrichment(
            **chosen,
            summary=sentences[int(np.argmax(parts @ whole))],
            embedding=[round(float(value), 6) for value in whole],
        )
