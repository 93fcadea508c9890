include $(sort $(wildcard $(BR2_EXTERNAL_RINGSIDE_PATH)/package/*/*.mk))
