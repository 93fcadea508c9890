/*
 * Restarts a Raspberry Pi with the word that has its firmware try the
 * other slot once (reboot(2), LINUX_REBOOT_CMD_RESTART2). busybox's
 * reboot has no way to pass a word, and the syscall cannot be made
 * from a shell. Nothing is synced here: the caller has done it.
 */
#include <linux/reboot.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(void)
{
	syscall(SYS_reboot, LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2,
		LINUX_REBOOT_CMD_RESTART2, "0 tryboot");
	perror("ringside-tryboot");
	return 1;
}
