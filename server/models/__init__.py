"""The life of models in a server: source (releases wanted), policy (pure), loader, manager (ref-counted snapshots)."""
