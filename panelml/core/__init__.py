"""Arrays in, frozen values out: the numerics, which know no data frame and no model."""
