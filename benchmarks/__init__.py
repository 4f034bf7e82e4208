"""Speed, memory and agreement of panelml beside other packages, on the same data."""
