"""Public datasets: a catalogue, downloads that resume and are verified, and unpacking of archives."""
