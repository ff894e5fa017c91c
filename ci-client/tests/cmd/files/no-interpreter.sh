#!/usr/bin/env no-such-interpreter
echo "nobody is there to run this"
