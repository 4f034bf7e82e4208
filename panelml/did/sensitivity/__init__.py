"""What departures from parallel trends would change."""
