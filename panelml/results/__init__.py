"""What every fit returns, and how it is shown."""
