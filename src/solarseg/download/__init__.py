"""Public datasets: the catalogue, fetching files that resume and are verified, and unpacking archives."""
