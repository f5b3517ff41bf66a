"""The doors of the website: get the object through ``access``, bind the form, call one function, redirect or render."""
