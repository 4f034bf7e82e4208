"""From influence to uncertainty; nothing here knows a model."""
