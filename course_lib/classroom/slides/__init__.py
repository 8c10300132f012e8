"""`course slides`: from a lesson's `NN_name.slides.md` and its executed notebook to a deck that needs no network."""
