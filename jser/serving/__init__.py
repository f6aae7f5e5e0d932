"""A page and a JSON interface of an artefact: sound in, answers out, nothing kept."""
