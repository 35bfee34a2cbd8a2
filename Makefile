# make demo    the main job on real patterns: in napari, or file to file where there is no display
# make test    the whole test suite, its windows under a virtual screen
# make test-pyside    a smaller set of window tests under the other Qt binding, PySide6
# make lint    what the pre-commit hooks check
# make clean   remove what the others made
#
# Needs Python 3.11, 3.12 or 3.13 and nothing else; PYTHON=/path/to/python picks one.

# Up to 3.13, since TensorFlow is built for no newer one yet.
FITS = import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))
PYTHON ?= $(shell for name in python3 python python3.13 python3.12 python3.11; do \
	if $$name -c '$(FITS)' 2>/dev/null; then echo $$name; break; fi; done)
VENV := .venv
INSTALLED := $(VENV)/.installed-from-pyproject
RUN := $(VENV)/bin/python -m
PYSIDE := .venv-pyside
# 6.12.0 takes a reference too many from what an event filter returns, until Python 3.11 ends at it; napari refuses 6.11.
PYSIDE_FITS := PySide6-Essentials>6.7,<6.11

# What Qt's windows and the virtual screen for the tests load on Debian and its relatives, which pip cannot bring.
SYSTEM := xvfb libegl1 libgl1 libxkbcommon-x11-0 libxcb-cursor0 libxcb-icccm4 libxcb-keysyms1 libxcb-shape0 \
	libxcb-image0 libxcb-render-util0 libxcb-xinerama0 libdbus-1-3

.PHONY: demo test test-pyside lint clean system

demo: $(INSTALLED) system
	$(RUN) napari_kikuchi demo $(DEMO_ARGS)

# Twice, since on Linux TensorFlow and a window cannot share a process (src/napari_kikuchi/autoencoder/remote.py).
test: $(INSTALLED) system
	@if [ -n "$$DISPLAY" ] || [ "$$(uname)" = Darwin ]; then screen=; \
	elif command -v xvfb-run >/dev/null; then screen='xvfb-run -a'; \
	else screen='env QT_QPA_PLATFORM=offscreen'; fi; \
	set -x; $$screen $(RUN) pytest tests/autoencoder $(PYTEST_ARGS) && \
		$$screen $(RUN) pytest --ignore=tests/autoencoder $(PYTEST_ARGS)

# All but the binding comes from the environment of the other tests; two bindings in one would get into each other's way.
test-pyside: $(PYSIDE)/.installed system
	@if command -v xvfb-run >/dev/null; then screen='xvfb-run -a'; else screen='env QT_QPA_PLATFORM=offscreen'; fi; \
	set -x; QT_API=pyside6 PYTEST_QT_API=pyside6 $$screen $(PYSIDE)/bin/python -m pytest -m bindings tests/plugin \
		$(PYTEST_ARGS)

$(PYSIDE)/.installed: $(INSTALLED)
	$(RUN) venv $(PYSIDE)
	$(VENV)/bin/python -c "import sysconfig; print('import site; site.addsitedir(%r)' % sysconfig.get_path('purelib'))" \
		>"$$($(PYSIDE)/bin/python -c "import sysconfig; print(sysconfig.get_path('purelib'))")/others.pth"
	$(PYSIDE)/bin/python -m pip install '$(PYSIDE_FITS)'
	@touch $@

lint: $(INSTALLED)
	$(RUN) ruff check
	$(RUN) ruff format --check
	$(RUN) mypy
	$(VENV)/bin/npe2 validate napari_kikuchi

# The extra `simulate` is left out: only training and the benchmarks need it.
$(INSTALLED): pyproject.toml
	@if ! $(PYTHON) -c '$(FITS)' 2>/dev/null; then \
		echo 'napari-kikuchi needs Python 3.11, 3.12 or 3.13. Install one, or say where it is: make PYTHON=/path/to/python' >&2; \
		exit 1; fi
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { \
		echo 'This Python comes without venv and pip. On Debian and its relatives: sudo apt-get install -y python3-venv' >&2; \
		exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(RUN) pip install --editable '.[all,cluster,index,train,dev]'
	@touch $@

system:
	@command -v dpkg-query >/dev/null || exit 0; \
	missing=; for package in $(SYSTEM); do \
		dpkg-query --show --showformat='$${Status}' $$package 2>/dev/null | grep -q 'ok installed' \
			|| missing="$$missing $$package"; done; \
	[ -n "$$missing" ] || exit 0; \
	if [ "$$(id -u)" = 0 ]; then as=env; elif sudo -n true 2>/dev/null; then as='sudo -n env'; else as=; fi; \
	if [ -n "$$as" ] && $$as apt-get update -q && \
		$$as DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $$missing; then exit 0; fi; \
	echo "Windows need system libraries that are not installed. To install them, run:" >&2; \
	echo "    sudo apt-get install -y$$missing" >&2

clean:
	rm -rf $(VENV) $(PYSIDE) build dist demo-output .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find src tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +
