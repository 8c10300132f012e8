"""What the course costs beside other tools on the same work; run by hand, not by pytest."""
