/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The kernel's own structs, cut to the fields we read. CO-RE finds the real offsets at load, so nothing here depends
 * on a kernel version; where a field was renamed, both names are declared and the reader asks which one exists.
 */
#ifndef BOUHEKI_KERNEL_H
#define BOUHEKI_KERNEL_H

#include <linux/bpf.h>
#include <linux/types.h>
#include <stdbool.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#define AF_UNSPEC 0
#define AF_UNIX 1
#define AF_INET 2
#define AF_INET6 10
#define AF_NETLINK 16
#define AF_PACKET 17
#define AF_ALG 38
#define AF_SMC 43
#define AF_XDP 44
#define TCP_ESTABLISHED 1 /* of a socket without connections: it has a peer */
#define TCP_CLOSE 7
#define SOCK_STREAM 1
#define SOCK_DGRAM 2
#define SOCK_RAW 3
#define SOCK_SEQPACKET 5
#define SOCK_DCCP 6
#define IPPROTO_IP 0
#define IPPROTO_ICMP 1
#define IPPROTO_ICMPV6 58
#define IPPROTO_TCP 6
#define IPPROTO_UDP 17
#define IPPROTO_DCCP 33
#define IPPROTO_SCTP 132
#define IPPROTO_UDPLITE 136
#define IPPROTO_SMC 256
#define IPPROTO_MPTCP 262
#define SOL_IP 0
#define SOL_IPV6 41
#define IP_HDRINCL 3
#define IP_OPTIONS 4
#define IP_RETOPTS 7
#define IPV6_2292RTHDR 5
#define IPV6_2292PKTOPTIONS 6
#define IPV6_FLOWLABEL_MGR 32
#define IPV6_HDRINCL 36
#define IPV6_RTHDR 57
#define SOL_SCTP 132
#define SCTP_DSTADDRV4 7
#define SCTP_DSTADDRV6 8
#define SCTP_SET_PEER_PRIMARY_ADDR 5
#define SCTP_SOCKOPT_BINDX_ADD 100
#define MSG_FASTOPEN 0x20000000
#define ETH_P_IP 0x0800
#define PACKET_LOOPBACK 5
#define LOOPBACK_IFINDEX 1 /* in every network namespace */
#define MAY_WRITE 2
#define S_IFMT 0170000
#define S_IFSOCK 0140000
#define CLONE_THREAD 0x00010000
#define PF_KTHREAD 0x00200000
#define TMPFS_MAGIC 0x01021994
#define V9FS_MAGIC 0x01021997
#define OVERLAYFS_SUPER_MAGIC 0x794c7630
#define EPERM 1
#define EDESTADDRREQ 89
#define PR_SET_MM 35
#define PR_SET_MM_EXE_FILE 13
#define PR_SET_MM_MAP 14

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

typedef struct {
	__u32 val;
} kuid_t;
typedef struct {
	__u32 val;
} kgid_t;

struct ns_common {
	unsigned int inum;
};
struct user_namespace {
	struct user_namespace *parent;
	int level;
	kuid_t owner;
};
struct mnt_namespace {
	struct ns_common ns;
	struct user_namespace *user_ns;
	struct mount *root;
};
struct pid_namespace {
	struct ns_common ns;
};
struct net {
	struct ns_common ns;
	struct user_namespace *user_ns;
};
struct new_utsname {
	char nodename[65];
};
struct uts_namespace {
	struct new_utsname name;
};
struct nsproxy {
	struct uts_namespace *uts_ns;
	struct mnt_namespace *mnt_ns;
	struct net *net_ns;
};
struct upid {
	struct pid_namespace *ns;
};
struct pid {
	unsigned int level;
	struct upid numbers[];
};
struct group_info {
	int ngroups;
	kgid_t gid[];
};
struct cred {
	kuid_t uid;
	kgid_t gid;
	kuid_t euid;
	kgid_t egid;
	kuid_t fsuid;
	kgid_t fsgid;
	struct user_namespace *user_ns;
	struct group_info *group_info;
};
struct kernfs_iattrs {
	kuid_t ia_uid;
};
struct kernfs_node {
	const char *name;
	__u64 id;
	struct kernfs_node *parent;
	struct kernfs_iattrs *iattr;
};
/* 6.15 renamed the field when it became RCU protected. */
struct kernfs_node___rcu {
	struct kernfs_node *__parent;
};
struct bpf_map {
	__u32 id;
};
struct bpf_prog_aux {
	__u32 id;
};
struct bpf_prog {
	struct bpf_prog_aux *aux;
};
struct bpf_link {
	__u32 id;
};
struct bpf_prog_array_item {
	struct bpf_prog *prog;
};
struct bpf_prog_array {
	struct bpf_prog_array_item items[2];
};
struct cgroup_bpf {
	struct bpf_prog_array *effective[64];
};
struct cgroup_root {
	int hierarchy_id;
};
struct cgroup {
	struct kernfs_node *kn;
	struct cgroup_root *root;
	struct cgroup_bpf bpf;
};
enum cgroup_bpf_attach_type {
	CGROUP_INET4_CONNECT = 1,
	CGROUP_INET6_CONNECT,
	CGROUP_UDP4_SENDMSG,
	CGROUP_UDP6_SENDMSG,
};
struct css_set {
	struct cgroup *dfl_cgrp;
};
struct qstr {
	__u32 len;
	const unsigned char *name;
};
struct super_block {
	unsigned int s_dev;
	unsigned long s_magic;
};
struct hlist_node {
	struct hlist_node **pprev;
};
struct timespec64 {
	long long tv_sec;
	long tv_nsec;
};
struct inode {
	__u16 i_mode;
	unsigned long i_ino;
	unsigned int i_nlink;
	__u32 i_generation;
	struct super_block *i_sb;
	struct hlist_node i_hash;
	struct timespec64 i_ctime;
};
/* 6.6 renamed the field, 6.11 split it. */
struct inode___private {
	struct timespec64 __i_ctime;
};
struct inode___split {
	long long i_ctime_sec;
	__u32 i_ctime_nsec;
};
struct hlist_bl_node {
	struct hlist_bl_node **pprev;
};
struct dentry {
	struct hlist_bl_node d_hash;
	struct dentry *d_parent;
	struct inode *d_inode;
	struct qstr d_name;
};
struct vfsmount {
	struct dentry *mnt_root;
};
struct mount {
	struct mount *mnt_parent;
	struct dentry *mnt_mountpoint;
	struct vfsmount mnt;
	struct mnt_namespace *mnt_ns;
	int mnt_id;
};
struct path {
	struct vfsmount *mnt;
	struct dentry *dentry;
};
typedef struct {
	long counter;
} atomic_long_t;
typedef struct {
	int counter;
} atomic_t;
typedef struct {
	atomic_long_t refcnt;
} file_ref_t;
struct fdtable {
	unsigned int max_fds;
	struct file **fd;
};
struct files_struct {
	atomic_t count;
	struct fdtable *fdt;
};
struct file {
	atomic_long_t f_count;
	struct path f_path;
	struct inode *f_inode;
	void *private_data;
};
/* 6.13 counts from 0 on for one reference. */
struct file___ref {
	file_ref_t f_ref;
};
struct fs_struct {
	int users;
	struct path root;
	struct path pwd;
};
struct mm_struct {
	unsigned long arg_start;
	unsigned long arg_end;
	struct file *exe_file;
};
struct task_struct {
	struct task_struct *group_leader;
	struct task_struct *real_parent;
	struct mm_struct *mm;
	int pid;
	int tgid;
	unsigned int flags;
	__u64 start_boottime;
	__u64 self_exec_id;
	struct cred *cred;
	struct nsproxy *nsproxy;
	struct fs_struct *fs;
	struct files_struct *files;
	struct css_set *cgroups;
	struct pid *thread_pid;
	char comm[16];
};
struct linux_binprm {
	unsigned long p;
	struct file *file;
	int argc;
	const char *filename;
	const char *interp;
	unsigned int secureexec : 1;
};
struct seq_file;
struct bpf_iter_meta {
	struct seq_file *seq;
};
struct bpf_iter__task {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
};
struct bpf_iter__task_file {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
	__u32 fd;
	struct file *file;
};

typedef struct {
	struct net *net;
} possible_net_t;
struct in6_addr {
	union {
		__u8 u6_addr8[16];
		__u32 u6_addr32[4];
	} in6_u;
};
struct sock_common {
	unsigned short skc_family;
	volatile unsigned char skc_state;
	__u32 skc_daddr;
	__u16 skc_dport;
	__u16 skc_num; /* local port, host order; 0: none yet */
	possible_net_t skc_net;
	struct in6_addr skc_v6_daddr;
};
struct socket;
struct sock {
	struct sock_common __sk_common;
	struct socket *sk_socket;
	void *sk_user_data;
	__u8 sk_kern_sock : 1;
	__u16 sk_type;
	__u16 sk_protocol;
	kuid_t sk_uid;
};
struct ip_options {
	__u8 srr;
};
struct ip_options_rcu {
	struct ip_options opt;
};
struct ipv6_rt_hdr;
struct ipv6_txoptions {
	struct ipv6_rt_hdr *srcrt;
};
struct ipv6_pinfo {
	struct ipv6_txoptions *opt;
};
struct inet_sock {
	struct ipv6_pinfo *pinet6;
	struct ip_options_rcu *inet_opt;
};
struct inet_bind_bucket {
	signed char fastreuse;
};
struct inet_connection_sock {
	struct inet_bind_bucket *icsk_bind_hash;
};
struct udp_sock {
	int pending;
};
struct tcp_sock {
	bool is_mptcp;
};
struct mptcp_sock {
	struct sock *first;
};
struct socket {
	struct file *file;
	struct sock *sk;
};
struct socket_alloc {
	struct socket socket;
	struct inode vfs_inode;
};
struct sk_buff {
	unsigned char *head;
	__u16 protocol;
	__u16 transport_header;
	__u16 network_header;
	int skb_iif;
	__u8 pkt_type : 3;
};
struct sockaddr {
	__u16 sa_family;
};
struct in_addr {
	__u32 s_addr;
};
struct sockaddr_in {
	__u16 sin_family;
	__u16 sin_port;
	struct in_addr sin_addr;
};
struct sockaddr_in6 {
	__u16 sin6_family;
	__u16 sin6_port;
	__u32 sin6_flowinfo;
	struct in6_addr sin6_addr;
};
struct msghdr {
	void *msg_name;
	int msg_namelen;
	void *msg_control;
	unsigned long msg_controllen;
	unsigned int msg_flags;
};

#pragma clang attribute pop

#endif
