"""The algebra of mixed models: arrays in, frozen values out."""
