"""A fortnight of traffic in a second: real timetables, buckets and decisions on a clock that stands still between events."""
