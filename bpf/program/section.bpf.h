/* SPDX-License-Identifier: GPL-2.0 */
/* Where programs are attached to the hooks of security modules: by backend, which is a choice of the build. */
#ifndef BOUHEKI_SECTION_H
#define BOUHEKI_SECTION_H

#ifdef FMOD_RET
#define HOOK(name) SEC("fmod_ret/security_" #name)
/* A hook that returns nothing has no value to change. */
#define VOID_HOOK(name) SEC("fentry/security_" #name)
#else
#define HOOK(name) SEC("lsm/" #name)
#define VOID_HOOK(name) SEC("lsm/" #name)
#endif

#endif
