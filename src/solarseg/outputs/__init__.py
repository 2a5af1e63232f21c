"""What is written for people and other programs: one file for each kind."""
