"""The stages of `face3d.track`, each of which leaves what it made in a work folder, so that a killed run goes on."""
