"""Small controls that know nothing of pictures: fields, buttons, switches, disclosures, notices."""
