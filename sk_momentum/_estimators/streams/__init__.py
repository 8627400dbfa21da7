"""`partial_fit`: a call descends in the columns that its rows show."""
