"""Polyhead's client: one sentence encoder, many classification heads, over gRPC. Installs without torch."""
