"""Who may read which records of whom: what every holder keeps to before anything leaves it."""
