"""What a winery knows about its wines."""
