################################################################################
#
# ringside-tryboot
#
################################################################################

RINGSIDE_TRYBOOT_VERSION = local
RINGSIDE_TRYBOOT_SITE = $(BR2_EXTERNAL_RINGSIDE_PATH)/package/ringside-tryboot/src
RINGSIDE_TRYBOOT_SITE_METHOD = local
RINGSIDE_TRYBOOT_LICENSE = Apache-2.0

define RINGSIDE_TRYBOOT_BUILD_CMDS
	$(TARGET_CC) $(TARGET_CFLAGS) $(TARGET_LDFLAGS) \
		-o $(@D)/ringside-tryboot $(@D)/ringside-tryboot.c
endef

define RINGSIDE_TRYBOOT_INSTALL_TARGET_CMDS
	$(INSTALL) -D -m 0755 $(@D)/ringside-tryboot \
		$(TARGET_DIR)/usr/sbin/ringside-tryboot
endef

$(eval $(generic-package))
