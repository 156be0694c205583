"""The demonstration: a month of an invented department, played through the real intake (`mailflow demo`).

people.py who they are; clients.py how their mail programs write; mails.py what they write; scenario.py when;
folder.py the configuration around it; run.py plays it; summary.py tells what came of it.
"""
