# The commands of this repository, for those who have no npm packages yet. They run as root on Debian or Ubuntu and install what they need (test/setup).

kernels := 5.10 6.1 6.12 7.2
# What is tried on 6.1 without bpf among the active security modules too.
without_bpf := loop reference container podman podman-edge docker containerd short-container container-exe backstop keep keep-detach confirm hostile-log
# What must hold on every kernel of what is tried as a whole: the ways back, what is kept, what is said.
every_kernel := confirm keep keep-crash keep-until hostile-log

.PHONY: help setup build check test test-kernels demo package clean

help:
	@echo 'make demo          the whole loop on real traffic, in a virtual machine'
	@echo 'make test          all tests: here, and in a virtual machine with kernel 6.1'
	@echo 'make test-kernels  the kernel tests on $(kernels), with bpf as a security module and without; servers of Debian on 6.1; packages'
	@echo 'make package       packages for Debian, for RPM and for npm, and a container image, into dist/package'
	@echo 'make build         TypeScript and the kernel side'
	@echo 'make check         lint, build and the unit tests'
	@echo 'make setup         install what the others need'
	@echo 'make clean         remove what was built'

setup build:
	@test/setup

# The scripts of package.json have the same meaning: npm run check, npm test.
check: setup
	@npm run --silent check

test:
	@npm test --silent

test-kernels: setup
	@node dist/test/run.js kernel --long $(addprefix --kernel ,$(kernels))
	@node dist/test/run.js kernel --long --without-bpf $(addprefix --kernel ,$(kernels))
	@node dist/test/run.js unit e2e systemd vm --left-out
	@node dist/test/run.js e2e --without-bpf $(addprefix --file ,$(without_bpf))
	@node dist/test/run.js e2e --long $(addprefix --file ,$(every_kernel)) $(addprefix --kernel ,$(filter-out 6.1,$(kernels)))
	@node dist/test/run.js systemd --file learnt --file unit-file $(addprefix --kernel ,$(filter-out 6.1,$(kernels)))
	@node dist/test/run.js systemd --file learnt --without-bpf
	@node dist/test/run.js server

demo: setup
	@test/demo

package:
	@packaging/build

clean:
	rm -rf dist
