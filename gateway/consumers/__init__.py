"""Those who read from us: who they are, what they may ask for, and up to where they have read. The doors ask; the store keeps."""
