"""The algebra of policy effects: arrays in, frozen values out."""
