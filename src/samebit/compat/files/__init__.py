"""Readers and writers of other trackers' files; none of them needs the tracker."""
