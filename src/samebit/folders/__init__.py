"""Begin, open and list runs; which are running, finished, failed, killed or broken off."""
