#!/usr/bin/env node
// Entry of the installed package, under its three names: ambit, kubectl-mesh (kubectl mesh), kubectl_complete-mesh.
import '../dist/src/main.js';
