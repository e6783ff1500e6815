"""`hub demo`: the whole hub on one machine, a simulated fleet, two control rooms, an honest count of what arrived."""
