"""Property tests are bounded by their examples, not by how busy the machine is."""

from hypothesis import settings

settings.register_profile("without-deadline", deadline=None)
settings.load_profile("without-deadline")
