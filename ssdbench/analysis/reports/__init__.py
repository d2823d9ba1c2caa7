"""What reports and exports contain."""
