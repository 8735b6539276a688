"""Generic small controls: fields, buttons, switches, disclosures, notices."""
