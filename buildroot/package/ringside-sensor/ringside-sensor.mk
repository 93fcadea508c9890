################################################################################
#
# ringside-sensor
#
################################################################################

RINGSIDE_SENSOR_VERSION = local
RINGSIDE_SENSOR_SITE = $(BR2_EXTERNAL_RINGSIDE_PATH)/../target/dist/$(BR2_ARCH)-unknown-linux-musl
RINGSIDE_SENSOR_SITE_METHOD = local
RINGSIDE_SENSOR_LICENSE = Apache-2.0

define RINGSIDE_SENSOR_INSTALL_TARGET_CMDS
	$(INSTALL) -D -m 0755 $(@D)/ringside-sensor \
		$(TARGET_DIR)/usr/bin/ringside-sensor
	$(INSTALL) -D -m 0755 $(@D)/ringside-image \
		$(TARGET_DIR)/usr/bin/ringside-image
endef

$(eval $(generic-package))
