"""Issuers of tokens: their keys, and their answers about opaque tokens."""
