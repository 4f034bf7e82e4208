"""What results of the room need beyond those of all fits."""
