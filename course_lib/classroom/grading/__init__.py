"""`course grade`: a class's notebooks, judged by function, with the learners' code in a sandbox."""
